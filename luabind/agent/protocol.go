// Package agent takes policy to the machine that has the power. Its Desk logs
// in to that machine, starts `ctys agent` there, hands it an order and hears
// what it does; its Main and Serve are that agent.
//
// # Protocol
//
// Both sides write lines of JSON, one object with one field each, over the
// standard input and output of one command that SSH starts:
//
//	agent → desk                        desk → agent
//	{"hello":{"version":"…"}}           {"order":{…}}       after hello, of "start"
//	{"job":"20260731-…"}                {"receipt":7}       has everything up to event 7
//	{"event":{"seq":1,…}}               {"answer":{"id":1,"value":…}} or …,"error":{…}
//	{"ask":{"id":1,"service":"…",…}}    {"told":{"id":1,"event":{…}}}
//	{"forget":1}                        {"cancel":true}
//	{"result":{"value":…}}              {"done":true}       has the result
//	                                    {"alive":true}      every 5 s, else the line counts as cut
//
// "start" says hello, takes one order, names its job and tells its events from
// the first on; "attach JOB SEQ" says hello and tells those from SEQ on. A line
// that is cut ends nothing: the job goes on, and attach continues. What has to
// be asked of the desk meanwhile is unreachable. The services of the desk are
// secret, run (an order for a guest of the machine; its events are told to the
// agent, which takes them into its own), shutdown, and at BMCs status, control,
// identify, boot, set_boot, controller, sensors, events, clear_events and raw.
//
// Between the command that SSH has started and the job's own process the same
// lines pass through a socket; there the first one is {"attach":SEQ}.
package agent

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"ctys/luabind"
)

// maxLine bounds one line, so that neither side fills the other's memory.
const maxLine = 4 << 20

// line is one message; exactly one field is set.
type line struct {
	Hello  *hello         `json:"hello,omitempty"`
	Job    string         `json:"job,omitempty"`
	Event  *luabind.Event `json:"event,omitempty"`
	Ask    *ask           `json:"ask,omitempty"`
	Forget uint64         `json:"forget,omitempty"` // an ask whose answer is not wanted any more
	Result *outcome       `json:"result,omitempty"`

	Order   *luabind.Order `json:"order,omitempty"`
	Attach  uint64         `json:"attach,omitempty"`
	Receipt uint64         `json:"receipt,omitempty"`
	Answer  *answer        `json:"answer,omitempty"`
	Told    *told          `json:"told,omitempty"`
	Cancel  bool           `json:"cancel,omitempty"`
	Done    bool           `json:"done,omitempty"`
	Alive   bool           `json:"alive,omitempty"`
}

type hello struct {
	Version string `json:"version"`
}

// ask is a question that only the desk can answer.
type ask struct {
	ID       uint64          `json:"id"`
	Service  string          `json:"service"`
	Argument json.RawMessage `json:"argument"`
}

type answer struct {
	ID    uint64           `json:"id"`
	Value any              `json:"value,omitempty"`
	Error *luabind.Failure `json:"error,omitempty"`
}

// told is an event of a nested run.
type told struct {
	ID    uint64        `json:"id"`
	Event luabind.Event `json:"event"`
}

// outcome is how an order ended.
type outcome struct {
	Value    any              `json:"value,omitempty"`
	Error    *luabind.Failure `json:"error,omitempty"`
	Vanished bool             `json:"vanished,omitempty"` // the job ended without a word
}

var errTooLong = fmt.Errorf("the line is longer than %d MiB", maxLine>>20)

// lineReader reads messages. Its errors are io.EOF at the end and others where
// the peer does not speak this protocol.
type lineReader struct {
	from *bufio.Reader
}

func newLineReader(from io.Reader) *lineReader {
	return &lineReader{bufio.NewReaderSize(from, 64<<10)}
}

func (r *lineReader) next() (line, error) {
	var text []byte
	for {
		part, err := r.from.ReadSlice('\n')
		if len(text)+len(part) > maxLine {
			return line{}, errTooLong
		}
		text = append(text, part...)
		switch {
		case err == nil:
			return parseLine(text)
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(text) > 0:
			return line{}, io.ErrUnexpectedEOF
		default:
			return line{}, err
		}
	}
}

// parseLine reads one message and refuses what is not exactly one: both sides
// are of one version, so an unknown field is a fault.
func parseLine(text []byte) (line, error) {
	var message line
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&message); err != nil {
		return line{}, fmt.Errorf("this is no message: %v", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return line{}, errors.New("this is no message: there is more than one object on the line")
	}
	if n := message.fields(); n != 1 {
		return line{}, fmt.Errorf("a message has one field, not %d", n)
	}
	return message, nil
}

func (l line) fields() int {
	count := 0
	for _, set := range []bool{
		l.Hello != nil, l.Job != "", l.Event != nil, l.Ask != nil, l.Forget != 0, l.Result != nil, l.Order != nil,
		l.Attach != 0, l.Receipt != 0, l.Answer != nil, l.Told != nil, l.Cancel, l.Done, l.Alive,
	} {
		if set {
			count++
		}
	}
	return count
}

// lineWriter writes messages; it is safe for concurrent use.
type lineWriter struct {
	mu sync.Mutex
	to io.Writer
}

func newLineWriter(to io.Writer) *lineWriter { return &lineWriter{to: to} }

func (w *lineWriter) send(message line) error {
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	if len(text) >= maxLine {
		return errTooLong
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	_, err = w.to.Write(append(text, '\n'))
	return err
}

// tooLong stands in the place of what an event that is too long for a line says.
const tooLong = "(too long to be passed on; it stands in the journal there)"

// sendEvent sends an event in the message that wrap makes; of one that is too
// long for a line, what identifies it.
func sendEvent(w *lineWriter, event luabind.Event, wrap func(*luabind.Event) line) error {
	err := w.send(wrap(&event))
	if !errors.Is(err, errTooLong) {
		return err
	}
	event.Data, event.Text = nil, tooLong
	if event.Error != nil {
		event.Error = &luabind.Failure{Kind: event.Error.Kind, Op: event.Error.Op, Host: event.Error.Host, Message: event.Text}
	}
	return w.send(wrap(&event))
}

func asEvent(event *luabind.Event) line { return line{Event: event} }
