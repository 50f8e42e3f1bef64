"""How good a detector is: labelled images, the split that keeps them honest, and average precision."""
