"""The application around the core: the command line and the browser studio."""

import os

# The products of matrices that numpy is asked for are small. OpenBLAS's other threads would only wait for them, and
# take a second core meanwhile: drawing a signer would cost twice the processor time, and be no faster.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
