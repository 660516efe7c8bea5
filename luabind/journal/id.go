package journal

import (
	"crypto/rand"
	"encoding/hex"
	"io"
	"regexp"
	"sync"
	"time"
)

const exampleID = "20260731-142530-042-9f3a61c2"

var idForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9]{8}-[0-9]{6}-[0-9]{3}-[0-9a-f]{8}$`) })

// NewID makes the id of a run: the time in UTC to the millisecond, then four
// random bytes, so that ids sort by time and two runs never share one. A nil
// random means the system's; a simulated world gives its own.
func NewID(at time.Time, random io.Reader) (string, error) {
	if random == nil {
		random = rand.Reader
	}
	var tail [4]byte
	if _, err := io.ReadFull(random, tail[:]); err != nil {
		return "", err
	}
	at = at.UTC()
	stamp := at.Format("20060102-150405") + at.Format(".000")[1:]
	return stamp[:15] + "-" + stamp[15:] + "-" + hex.EncodeToString(tail[:]), nil
}

// ValidID tells whether text can be the id of a run. An id becomes the name of
// a folder.
func ValidID(text string) bool { return idForm().MatchString(text) }
