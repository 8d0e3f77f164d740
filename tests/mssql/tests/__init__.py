"""What the stand-in does, pinned to what Microsoft documents. Standard library only; run from the folder above:

python -m unittest discover --start-directory tests --top-level-directory .
"""
