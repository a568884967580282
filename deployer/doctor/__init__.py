"""The mode `doctor`: what a deployment needs, looked at and told as checks."""
