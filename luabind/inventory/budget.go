package inventory

import (
	"context"
	"errors"
)

// maxSteps bounds what evaluating a file may cost. 100,000 rows built by a loop
// take about two million steps.
const maxSteps = 10_000_000

var errTooLong = errors.New("the file has not ended after 10,000,000 steps: it is data, a loop in it must end")

// budget is a context that ends after a number of steps: gopher-lua asks for
// Done once an instruction, and has no other hook.
type budget struct {
	context.Context
	left  int
	spent chan struct{}
}

func newBudget(steps int) *budget {
	spent := make(chan struct{})
	close(spent)
	return &budget{Context: context.Background(), left: steps, spent: spent}
}

// Done counts, and is closed when nothing is left. A nil channel is never ready.
func (b *budget) Done() <-chan struct{} {
	if b.left--; b.left >= 0 {
		return nil
	}
	return b.spent
}

// Err says why evaluation ended.
func (b *budget) Err() error {
	if b.left >= 0 {
		return nil
	}
	return errTooLong
}
