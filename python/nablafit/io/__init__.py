"""Readers: bytes in, specification out."""
