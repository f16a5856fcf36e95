CREATE TABLE feature_csv (user_id uuid, session_at timestamptz, modality text, feature text, value float8);
CREATE TABLE label_csv (user_id uuid, session_at timestamptz, worse int, self_report text);
CREATE TABLE weight_csv (feature text PRIMARY KEY, weight float8);
