"""Chains of captions, from general to specific and with contradicting negatives, made out of captions of one's own."""
