package matrix

// extraRows are those without bars, or with bars of their own.
func extraRows() []Scenario { return nil }
