// What a subscriber's settings of a topic come to (SPEC 4.21).

function reservedOf(slug) {
  if (slug === 'min-priority') return { low: 1, high: 5, byDefault: 1 };
  return /^cat-./.test(slug) ? { low: 0, high: 1, byDefault: 1 } : null;
}

function rangeOf(slug, setting) {
  const reserved = reservedOf(slug);
  if (setting === undefined) return reserved;
  const [, , , byDefault, low, high] = setting;
  if (reserved === null) return { low, high, byDefault };
  const narrow = { low: Math.max(low, reserved.low), high: Math.min(high, reserved.high) };
  return { ...narrow, byDefault: isIn(narrow, byDefault) ? byDefault : reserved.byDefault };
}

function isIn({ low, high }, value) {
  return low <= value && value <= high;
}

export function effectiveSettings(choices, schema) {
  const chosen = new Map(choices);
  const known = new Map(schema.map((setting) => [setting[0], setting]));
  const slugs = [...known.keys(), ...[...chosen.keys()].filter((slug) => reservedOf(slug) !== null)];
  const values = {};
  for (const slug of new Set(slugs)) {
    const range = rangeOf(slug, known.get(slug));
    values[slug] = chosen.has(slug) && isIn(range, chosen.get(slug)) ? chosen.get(slug) : range.byDefault;
  }
  return values;
}
