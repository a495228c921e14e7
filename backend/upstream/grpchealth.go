package upstream

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// servingStatuses are those of grpc.health.v1.HealthCheckResponse, by number.
var servingStatuses = []string{"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"}

const serving = 1

// checkGRPC asks grpc.health.v1.Health/Check.
func (p *Pool) checkGRPC(ctx context.Context, t *target, c *check) error {
	r := (&http.Request{Method: http.MethodPost, URL: urlOf(t, t.base+"/grpc.health.v1.Health/Check"), Host: c.Host, Header: http.Header{
		"Content-Type": {"application/grpc"}, "Te": {"trailers"}, "User-Agent": {"Proxycache health check"},
	}}).WithContext(ctx)
	if r.Host == "" {
		r.Host = t.field
	}
	message := healthRequest(c.Service)
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(message)), int64(len(message))
	answer, err := p.roundTrip(ctx, t, []string{protocol2}, r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxProbed))
	switch {
	case err != nil:
		return fmt.Errorf("reading the answer: %w", err)
	case answer.StatusCode != http.StatusOK:
		return fmt.Errorf("the status is %d", answer.StatusCode)
	}
	if err := grpcStatus(answer); err != nil {
		return err
	}
	n, err := healthAnswer(body)
	switch {
	case err != nil:
		return err
	case n == serving:
		return nil
	case n < uint64(len(servingStatuses)):
		return fmt.Errorf("it says %s", servingStatuses[n])
	}
	return fmt.Errorf("it says %d", n)
}

// grpcStatus is in the trailer, or, where nothing else came, in the head.
func grpcStatus(answer *http.Response) error {
	from := http.Header(answer.Trailer)
	if from.Get("Grpc-Status") == "" {
		from = answer.Header
	}
	switch code := from.Get("Grpc-Status"); code {
	case "0":
		return nil
	case "":
		return fmt.Errorf("it does not speak gRPC: there is no grpc-status")
	case "12":
		return fmt.Errorf("it has no grpc.health.v1.Health (grpc-status 12)")
	default:
		text := from.Get("Grpc-Message")
		if plain, err := url.PathUnescape(text); err == nil {
			text = plain
		}
		return fmt.Errorf("grpc-status %s %s", code, text)
	}
}

// healthRequest is HealthCheckRequest{service} in the frame of gRPC: a byte for no compression, the
// length, and field 1 of the message.
func healthRequest(service string) []byte {
	var message []byte
	if service != "" {
		message = binary.AppendUvarint(append(message, 1<<3|2), uint64(len(service)))
		message = append(message, service...)
	}
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
}

// healthAnswer reads the status, field 1, of a framed HealthCheckResponse. Fields that are not known
// are passed over.
func healthAnswer(frame []byte) (uint64, error) {
	broken := fmt.Errorf("its answer is no HealthCheckResponse")
	if len(frame) < 5 || frame[0] != 0 || int(binary.BigEndian.Uint32(frame[1:])) != len(frame)-5 {
		return 0, broken
	}
	status := uint64(0) // what is not sent is 0
	for m := frame[5:]; len(m) > 0; {
		key, n := binary.Uvarint(m)
		if n <= 0 {
			return 0, broken
		}
		m = m[n:]
		value, n := binary.Uvarint(m)
		size := uint64(0) // of what the field holds behind n
		switch key & 7 {
		case 0, 2:
			if n <= 0 {
				return 0, broken
			}
			if key&7 == 2 {
				size = value
			}
		case 1:
			n, size = 0, 8
		case 5:
			n, size = 0, 4
		default:
			return 0, broken
		}
		if size > uint64(len(m)-n) {
			return 0, broken
		}
		if key == 1<<3 {
			status = value
		}
		m = m[n+int(size):]
	}
	return status, nil
}
