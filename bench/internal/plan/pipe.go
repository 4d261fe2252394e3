package plan

func (b *Bench) pipe() []step { return nil }
