"""Training networks of one's own: what ``sightline train`` and ``sightline evaluate`` are made of.

Needs the extra ``[train]`` (torch and pycocotools). Nothing here is imported by a running server: the command line
imports these files inside its functions, and only files of this folder import torch.
"""
