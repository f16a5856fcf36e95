-- user_baselines ---------------------------------------------------------------------
CREATE TABLE @extschema@.user_baselines (
    id UUID NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    user_id UUID NOT NULL,
    metric_type TEXT NOT NULL,
    baseline_score NUMERIC NOT NULL,
    confidence_level NUMERIC NOT NULL DEFAULT 0.5,
    sample_count INTEGER NOT NULL DEFAULT 0,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    last_updated TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    mean DOUBLE PRECISION NOT NULL DEFAULT 0,
    m2 DOUBLE PRECISION NOT NULL DEFAULT 0,
    CONSTRAINT user_baselines_metric_type CHECK ((metric_type IN ('combined_wellness', 'audio_wellness', 'text_wellness', 'visual_wellness', 'mood_stability', 'stress_levels')) IS NOT FALSE OR @extschema@.mm_refuse('metric_type', 'one of combined_wellness, audio_wellness, text_wellness, visual_wellness, mood_stability, stress_levels'))
);
CREATE UNIQUE INDEX idx_baselines_user_metric ON @extschema@.user_baselines (user_id, metric_type);
CREATE INDEX idx_baselines_updated ON @extschema@.user_baselines (last_updated);
COMMENT ON TABLE @extschema@.user_baselines IS 'What is usual for a person on each 0 to 100 metric; learnt by scoring, rebuilt by mm_update_baselines().';
COMMENT ON COLUMN @extschema@.user_baselines.metric_type IS 'combined_wellness, audio_wellness, text_wellness, visual_wellness, mood_stability or stress_levels (higher is more stress; all others: higher is better).';
COMMENT ON COLUMN @extschema@.user_baselines.baseline_score IS 'The person''s usual value, 0 to 100: mean to 15 digits.';
COMMENT ON COLUMN @extschema@.user_baselines.confidence_level IS 'n/(n+5), 0 to 1: how far the baseline can be relied on.';
COMMENT ON COLUMN @extschema@.user_baselines.sample_count IS 'Sessions learnt.';
COMMENT ON COLUMN @extschema@.user_baselines.m2 IS 'Sum of squared deviations from mean; sd = sqrt(m2/(n-1)).';

ALTER TABLE @extschema@.user_baselines ENABLE ROW LEVEL SECURITY;
CREATE POLICY "System can manage baselines" ON @extschema@.user_baselines
    FOR ALL TO mindmeasure_system USING (true) WITH CHECK (true);
CREATE POLICY "Users can view their own baselines" ON @extschema@.user_baselines
    FOR SELECT TO mindmeasure_user USING ((SELECT auth.uid()) = user_id);
GRANT SELECT ON @extschema@.user_baselines TO mindmeasure_user;
GRANT SELECT, INSERT, UPDATE, DELETE ON @extschema@.user_baselines TO mindmeasure_system;

CREATE TRIGGER guard_baseline_values BEFORE INSERT OR UPDATE ON @extschema@.user_baselines
    FOR EACH ROW WHEN (current_user <> 'mindmeasure_owner')
    EXECUTE FUNCTION @extschema@.mm_guard_values('baseline_score', '0..100', 'confidence_level', '0..1',
        'sample_count', '0..', 'mean', '0..100', 'm2', '0..');
CREATE TRIGGER guard_baseline_identity BEFORE UPDATE ON @extschema@.user_baselines
    FOR EACH ROW WHEN ((OLD.id, OLD.user_id, OLD.metric_type, OLD.created_at) IS DISTINCT FROM (NEW.id, NEW.user_id, NEW.metric_type, NEW.created_at))
    EXECUTE FUNCTION @extschema@.mm_refuse_change('id', 'user_id', 'metric_type', 'created_at');
