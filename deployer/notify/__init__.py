"""Notifications: what a run tells people in a chat, and other programs, when it is over."""
