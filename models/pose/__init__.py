"""From a signing video to landmarks, and what can be done with them."""
