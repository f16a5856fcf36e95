-- What a login role of an application should be. Run as a superuser, once for
-- each role: psql -d mindmeasure -v role=wellness_app -f roles.sql
-- Its password: \password wellness_app (hashed by psql, so it is in no log).
ALTER ROLE :"role" WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
ALTER ROLE :"role" SET statement_timeout = '30s';
ALTER ROLE :"role" SET lock_timeout = '5s';
ALTER ROLE :"role" SET idle_in_transaction_session_timeout = '30s';
-- An error can quote the value that was refused ("invalid input syntax for type
-- uuid: …"). The application gets it; the log does not. LOG and above, such as
-- connections and pgaudit, is still written.
ALTER ROLE :"role" SET log_min_messages = 'log';
