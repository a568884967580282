"""Programs that stand in for others in scripts of workflows: `gh` and `docker`, as far as they are called."""
