"""The four-stage continuous recognizer: picture features aligned with glosses, keyframes, BiLSTM, CTC."""
