"""Boxes by votes and by keypoints: measured on sets at hand and on flat things that are made."""
