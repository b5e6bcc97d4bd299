//! Simulated cameras and failure experiments for camserver.
