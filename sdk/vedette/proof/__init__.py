"""The proof that a bundle gives, on this box, the answers that it gave where it was made."""
