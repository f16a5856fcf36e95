-- What this backend has used of a processor so far, in microseconds. The kernel brings the account up to date
-- when the backend gives the processor away, hence the nap.
CREATE SCHEMA IF NOT EXISTS bench;
CREATE FUNCTION bench.spent() RETURNS float8 LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::float8 / 1000 FROM pg_sleep(0.001)
$$;
