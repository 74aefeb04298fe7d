"""One picture of a person and a base action video in, that person signing out."""
