"""What talks to GitHub: the runner's commands and files (`core`)."""
