"""From the samples of a word to one base action video: embeddings of motion, and diffusion that draws them."""
