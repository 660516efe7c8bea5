package policytest

import "strings"

// inOrder tells whether the list has the texts in their order, each at the
// beginning of an element; else it gives the first that is missing.
func inOrder(list, texts []string) (missing string, found bool) {
	for _, element := range list {
		if len(texts) > 0 && strings.HasPrefix(element, texts[0]) {
			texts = texts[1:]
		}
	}
	if len(texts) > 0 {
		return texts[0], false
	}
	return "", true
}
