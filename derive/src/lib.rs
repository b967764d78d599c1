//! The derive macro of fireseal.
