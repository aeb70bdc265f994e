"""Optional parts: each is a plug-in of the run that `plugins:` in params.yaml switches on."""
