package luabind

import (
	"errors"
	"strings"

	"github.com/yuin/gopher-lua/parse"
)

// CheckSyntax parses a chunk without running it. The error, of kind invalid,
// says what is wrong; incomplete tells that more text may make it right, as
// behind an open bracket or a function without its end.
func CheckSyntax(name, text string) (incomplete bool, err error) {
	_, err = parse.Parse(strings.NewReader(skipShebang(text)), name)
	if err == nil {
		return false, nil
	}
	var fault *parse.Error
	if errors.As(err, &fault) {
		atEnd := fault.Pos.Line == parse.EOF && fault.Message != "unterminated string"
		incomplete = atEnd || strings.Contains(fault.Message, "unterminated multiline")
	}
	return incomplete, syntaxError(name, err)
}
