"""What changes the workspace: apply, verify, remove; and the ports it does so through."""
