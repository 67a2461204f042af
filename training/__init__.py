"""Reproduces the network: data -> train -> evaluate -> export. Nothing else imports it."""
