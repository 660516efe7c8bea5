package journal

import (
	"context"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"ctys/primitives"
)

// pollEvery is how often a file is looked at where the kernel does not tell.
const pollEvery = 200 * time.Millisecond

// watcher waits for a file to change.
type watcher interface {
	// wait returns when the file may have changed since the last wait, or with
	// ctx's error.
	wait(ctx context.Context) error
	Close() error
}

// watch lets the kernel tell of changes (inotify(7)); where it has no more
// instances to give, the file is polled.
func watch(path string) (watcher, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return poller{}, nil
	}
	if _, err := unix.InotifyAddWatch(fd, path, unix.IN_MODIFY|unix.IN_CLOSE_WRITE); err != nil {
		unix.Close(fd)
		return poller{}, nil
	}
	return &inotify{os.NewFile(uintptr(fd), "inotify")}, nil
}

type inotify struct{ file *os.File }

func (n *inotify) wait(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { n.file.Close() })
	defer stop()
	var events [4096]byte
	_, err := n.file.Read(events[:])
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (n *inotify) Close() error { return n.file.Close() }

// poller waits in real time: a file of another process has no other.
type poller struct{}

func (poller) wait(ctx context.Context) error {
	return primitives.SystemClock{}.Sleep(ctx, pollEvery)
}

func (poller) Close() error { return nil }
