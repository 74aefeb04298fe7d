"""The core of Sign Studio: everything that is about signing and nothing that is about showing it."""
