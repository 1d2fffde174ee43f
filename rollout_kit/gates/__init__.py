"""Judging samples against thresholds. Pure: samples, time and baseline come in as arguments."""
