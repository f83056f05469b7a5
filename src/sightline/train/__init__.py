"""Training your own networks: the code behind ``sightline train`` and ``sightline evaluate``.

Needs the extra ``[train]`` (torch, pycocotools and onnx). A running server imports nothing from here: the command line
imports these files inside its functions, and only files in this folder import torch.
"""
