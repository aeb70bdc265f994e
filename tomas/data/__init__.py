"""Readers, validation, generators and labelling: everything between a file of data and a training example."""
