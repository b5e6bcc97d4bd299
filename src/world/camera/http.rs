//! The `http` way of capturing (next commit).
