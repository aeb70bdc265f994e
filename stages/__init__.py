"""The stages of the pipeline, one file each: `python -u -m stages.NAME`, as dvc.yaml calls them."""
