"""Plans written down for other engines; each is a part of the kind `exporter`."""
