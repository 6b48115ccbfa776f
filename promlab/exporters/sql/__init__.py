"""Results of SQL queries as metrics, of any database that SQLAlchemy speaks to."""
