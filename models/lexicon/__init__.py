"""Glosses to poses and back: signs written as phonology, lexicons of recordings, sentences of them, and the drawn signer."""
