package probe

import (
	"context"
	"strings"

	"ctys/primitives"
)

// way is one thing that can be asked.
type way func(ctx context.Context) (Answer, error)

// outcome is what one way came to.
type outcome struct {
	index  int
	answer Answer
	err    error
}

// race asks all ways at once. The first "up" wins and ends the others. Without
// one, a "no" counts more than an error, since at least one way could be asked;
// its Detail then tells what each way came to. Nothing runs on after race has
// returned.
func race(ctx context.Context, ways []way) (Answer, error) {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan outcome, len(ways))
	for index, ask := range ways {
		go func() {
			answer, err := ask(inner)
			results <- outcome{index, answer, err}
		}()
	}
	outcomes := make([]outcome, len(ways))
	var winner *Answer
	for range ways {
		result := <-results
		outcomes[result.index] = result
		if result.err == nil && result.answer.Up && winner == nil {
			winner = &result.answer
			cancel()
		}
	}
	if winner != nil {
		return *winner, nil
	}
	return loser(outcomes)
}

// loser sums up outcomes none of which is "up".
func loser(outcomes []outcome) (Answer, error) {
	var firstNo *Answer
	var firstError error
	for i := range outcomes {
		result := &outcomes[i]
		switch {
		case primitives.KindOf(result.err) == primitives.Canceled:
			return Answer{}, result.err // the caller gave up, so there is no "no"
		case result.err == nil && firstNo == nil:
			firstNo = &result.answer
		case result.err != nil && (firstError == nil || primitives.KindOf(firstError) == primitives.Denied):
			firstError = result.err
		}
	}
	if firstNo == nil {
		return Answer{}, firstError
	}
	no := *firstNo
	if len(outcomes) > 1 {
		no.Detail = summary(outcomes)
	}
	return no, nil
}

func summary(outcomes []outcome) string {
	var parts []string
	for _, result := range outcomes {
		if result.err != nil {
			parts = append(parts, result.err.Error())
			continue
		}
		parts = append(parts, result.answer.Way+" "+result.answer.Address+": "+result.answer.Detail)
	}
	return strings.Join(parts, "; ")
}
