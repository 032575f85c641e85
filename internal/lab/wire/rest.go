package wire

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"hash/crc32"
	"maps"
	"net/http"
	"slices"
	"strconv"
)

// WriteREST writes a REST-XML answer, as S3 sends it.
func WriteREST(w http.ResponseWriter, resp *Response) error {
	body := resp.Body
	if body == nil && resp.Result != nil {
		b, err := xml.Marshal(resp.Result)
		if err != nil {
			return fmt.Errorf("result as XML: %w", err)
		}
		body = append([]byte(xml.Header), b...)
		w.Header().Set("Content-Type", "application/xml")
	}
	maps.Copy(w.Header(), resp.Header)
	status := resp.Status
	if status == 0 {
		status = http.StatusOK
	}
	// HEAD announces the object's length; 204 and 304 have no length at all.
	if w.Header().Get("Content-Length") == "" && status != http.StatusNoContent && status != http.StatusNotModified {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
	return nil
}

// WriteRESTError writes S3's error form. HEAD has no body, so its client sees
// only the status: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
func WriteRESTError(w http.ResponseWriter, r *http.Request, requestID, hostID string, e *Error) {
	maps.Copy(w.Header(), e.Header)
	if e.Status == http.StatusNotModified || r.Method == http.MethodHead {
		w.WriteHeader(e.Status)
		return
	}
	var b bytes.Buffer
	b.WriteString(xml.Header)
	fmt.Fprintf(&b, "<Error><Code>%s</Code><Message>%s</Message>", text(e.Code), text(e.Message))
	for _, name := range slices.Sorted(maps.Keys(e.Detail)) {
		fmt.Fprintf(&b, "<%s>%s</%s>", name, text(fmt.Sprint(e.Detail[name])), name)
	}
	fmt.Fprintf(&b, "<RequestId>%s</RequestId><HostId>%s</HostId></Error>", requestID, hostID)
	send(w, e.Status, "application/xml", b.Bytes())
}

// WriteJSON writes an answer of the JSON 1.0 protocol with the checksum that
// DynamoDB's clients verify.
func WriteJSON(w http.ResponseWriter, result any) error {
	body, err := json.Marshal(result)
	if err != nil {
		return fmt.Errorf("result as JSON: %w", err)
	}
	sendJSON(w, http.StatusOK, body)
	return nil
}

// WriteJSONError writes an error of the JSON 1.0 protocol.
// https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html
func WriteJSONError(w http.ResponseWriter, namespace string, e *Error) error {
	if e.Namespace != "" {
		namespace = e.Namespace
	}
	fields := map[string]any{"__type": namespace + "#" + e.Code, "message": e.Message}
	maps.Copy(fields, e.Detail)
	body, err := json.Marshal(fields)
	if err != nil {
		return fmt.Errorf("error as JSON: %w", err)
	}
	sendJSON(w, e.Status, body)
	return nil
}

func sendJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10))
	send(w, status, "application/x-amz-json-1.0", body)
}

// WriteRESTJSON writes an answer of the REST-JSON protocol, as EKS sends it.
// https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html
func WriteRESTJSON(w http.ResponseWriter, result any) error {
	body, err := json.Marshal(result)
	if err != nil {
		return fmt.Errorf("result as JSON: %w", err)
	}
	send(w, http.StatusOK, "application/json", body)
	return nil
}

// WriteRESTJSONError writes an error of the REST-JSON protocol.
func WriteRESTJSONError(w http.ResponseWriter, e *Error) error {
	fields := map[string]any{"message": e.Message}
	maps.Copy(fields, e.Detail)
	body, err := json.Marshal(fields)
	if err != nil {
		return fmt.Errorf("error as JSON: %w", err)
	}
	w.Header().Set("X-Amzn-Errortype", e.Code)
	send(w, e.Status, "application/json", body)
	return nil
}

// WriteJSON11 writes an answer of the JSON 1.1 protocol, as CloudWatch Logs
// sends it. https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
func WriteJSON11(w http.ResponseWriter, result any) error {
	body, err := json.Marshal(result)
	if err != nil {
		return fmt.Errorf("result as JSON: %w", err)
	}
	send(w, http.StatusOK, "application/x-amz-json-1.1", body)
	return nil
}

// WriteJSON11Error writes an error of the JSON 1.1 protocol.
func WriteJSON11Error(w http.ResponseWriter, e *Error) error {
	body, err := json.Marshal(map[string]any{"__type": e.Code, "message": e.Message})
	if err != nil {
		return fmt.Errorf("error as JSON: %w", err)
	}
	send(w, e.Status, "application/x-amz-json-1.1", body)
	return nil
}
