package inventory

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// parseUUID reads a UUID without regard to case and dashes and gives it in
// lower case with dashes.
func parseUUID(text string) (string, error) {
	digits := strings.ToLower(strings.ReplaceAll(text, "-", ""))
	if _, err := hex.DecodeString(digits); err != nil || len(digits) != 32 {
		return "", fmt.Errorf("%q is no UUID: it has not 32 hexadecimal digits (accepted: 4c4c4544-0051-3010-8053-b4c04f4d4e31, with or without dashes)", text)
	}
	if digits == strings.Repeat("0", 32) || digits == strings.Repeat("f", 32) {
		return "", fmt.Errorf("%q is no UUID: firmware writes this where none is set", text)
	}
	return digits[:8] + "-" + digits[8:12] + "-" + digits[12:16] + "-" + digits[16:20] + "-" + digits[20:], nil
}
