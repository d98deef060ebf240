//go:build invariant

package invariant

// Enabled tells whether this build looks at its own structures while it runs.
const Enabled = true
