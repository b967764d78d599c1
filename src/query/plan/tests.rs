//! Plans of conditions, without a database.
