"""The puppet: a photograph cut into layers that are moved by a pose, with no weights, on a CPU."""
