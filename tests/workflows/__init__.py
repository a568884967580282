"""A player of workflow files: jobs, steps and expressions as GitHub carries them out, on one machine.

`expressions` evaluates what stands in `${{ }}` and `if`, `player` plays a workflow's jobs in their order, and
`steps` carries out single steps: this action through its real door, artifacts, checkouts and scripts.
"""
