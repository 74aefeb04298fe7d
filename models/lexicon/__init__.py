"""Glosses to poses: signs written as phonology, lexicons of recordings, sentences of them, and the drawn signer."""
