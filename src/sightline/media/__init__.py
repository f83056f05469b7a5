"""Pictures as bytes and back."""
