package journal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"ctys/primitives"
)

const readOp = "journal.read"

// Log is what a journal holds.
type Log struct {
	Entries []Entry
	// Torn is how many bytes at the end are no whole line: a crash or a cut
	// power line came in between. What they said was never synced, so nothing
	// that cannot be undone depends on it.
	Torn int64

	size int64 // of the whole lines
}

// Read reads a journal. A torn last line is tolerated and told in Torn; any
// other fault is primitives.Invalid, with file and line, and what came before
// it is returned too.
func Read(path string) (Log, error) {
	file, err := os.Open(path)
	if err != nil {
		return Log{}, notThere(readOp, path, err)
	}
	defer file.Close()
	return read(path, file)
}

// Scan is Read for those who need no entry twice: each is told, and none is held
// in memory.
func Scan(path string, tell func(Entry)) error {
	file, err := os.Open(path)
	if err != nil {
		return notThere(readOp, path, err)
	}
	defer file.Close()
	_, err = scan(path, file, tell)
	return err
}

func read(path string, from io.Reader) (Log, error) {
	var entries []Entry
	log, err := scan(path, from, func(entry Entry) { entries = append(entries, entry) })
	log.Entries = entries
	return log, err
}

// scan gives the log without its entries, which it tells.
func scan(path string, from io.Reader, tell func(Entry)) (Log, error) {
	var log Log
	lines := &lineReader{from: bufio.NewReaderSize(from, 64<<10)}
	for number := 1; ; number++ {
		line, err := lines.next()
		if errors.Is(err, io.EOF) {
			log.Torn = int64(len(line))
			return log, nil
		}
		if err == nil && isHole(line) {
			return afterHole(log, lines, line, path, number)
		}
		var entry Entry
		if err == nil {
			entry, err = decode(line, uint64(number))
		}
		if err != nil {
			return log, lineError(path, number, err)
		}
		tell(entry)
		log.size += int64(len(line)) + 1
	}
}

func lineError(path string, number int, err error) error {
	return primitives.Errorf(primitives.Invalid, readOp, "", "%s:%d: %v", path, number, err)
}

// isHole tells whether a line begins with zeros: after a power failure a file
// may have its length and not its last blocks.
func isHole(line []byte) bool { return len(line) > 0 && line[0] == 0 }

// afterHole accepts a hole only where nothing comes after it.
func afterHole(log Log, lines *lineReader, line []byte, path string, number int) (Log, error) {
	rest, err := io.ReadAll(lines.from)
	if err != nil {
		return log, lineError(path, number, err)
	}
	if len(bytes.Trim(line, "\x00")) > 0 || len(bytes.Trim(rest, "\x00")) > 0 {
		return log, lineError(path, number, errors.New("zeros stand in the middle of the file"))
	}
	log.Torn = int64(len(line) + 1 + len(rest))
	return log, nil
}

// lineReader cuts a stream into lines of bounded length.
type lineReader struct{ from *bufio.Reader }

// next gives a line without its end. At the end of the file the error is
// io.EOF and the line what stands after the last end of line.
func (r *lineReader) next() ([]byte, error) {
	var line []byte
	for {
		part, err := r.from.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxLine {
			return nil, fmt.Errorf("the line is longer than %d bytes", maxLine)
		}
		switch {
		case err == nil:
			return line[:len(line)-1], nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return line, err
		}
	}
}

// decode reads one line, which must be the entry of that number.
func decode(line []byte, seq uint64) (Entry, error) {
	if !utf8.Valid(line) {
		return Entry{}, errors.New("the line is not UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	var entry Entry
	if err := decoder.Decode(&entry); err != nil {
		return Entry{}, fmt.Errorf("the line is no entry: %w", plainer(err))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Entry{}, errors.New("the line has more than one entry")
	}
	switch {
	case bytes.TrimSpace(line)[0] != '{':
		return Entry{}, errors.New("the line is no entry: it is no JSON object")
	case entry.Seq != seq:
		return Entry{}, fmt.Errorf("the entry has number %d where %d is due: lines are missing, doubled or out of order", entry.Seq, seq)
	case entry.At.IsZero():
		return Entry{}, errors.New("the entry has no time")
	case !kinds[entry.Kind]:
		return Entry{}, fmt.Errorf("the entry is of kind %q, which this ctys does not know", entry.Kind)
	}
	return entry, nil
}

// plainer says what package json found, in words about the line.
func plainer(err error) error {
	var mismatch *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("it ends too early")
	case errors.As(err, &mismatch) && mismatch.Field == "":
		return fmt.Errorf("it is no JSON object but a JSON %s", mismatch.Value)
	case errors.As(err, &mismatch):
		return fmt.Errorf("the field %q cannot be a JSON %s", mismatch.Field, mismatch.Value)
	}
	return errors.New(strings.TrimPrefix(err.Error(), "json: "))
}
