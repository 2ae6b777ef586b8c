/* The Corral plugin ABI, version 1.0. C99, C11 and C++20; no other header of Corral is needed to write a plugin.
 *
 * A plugin is a shared object with one exported symbol, the data object `corral_plugin`. Rules:
 *  - Every struct begins with `struct_size`, which the side that fills the struct sets to CORRAL_SIZE(type). Members are only ever appended. Read a
 *    member that was added after 1.0 only if CORRAL_HAS(pointer, member).
 *  - Messages (`request`, `reply`) are protobuf wire bytes of the messages in sdk/proto. A request is the caller's and is valid until the function returns;
 *    a reply is written to the sink that the caller lends for the call.
 *  - Every function returns a corral_status unless it says otherwise. Before a function fails, it gives the sentence for the user to host->set_error.
 *  - No exception, C++ object, allocator, errno, locale or signal handler crosses the boundary.
 *  - Threads: [control] called from one thread at a time, never while another [control] call of the same plugin runs; [any] called from any thread, also
 *    concurrently; [stream] called from the thread that drives the stream, one call at a time for each stream.
 *  - State: a function pointer may be called between a successful init and shutdown unless its comment says otherwise.
 */
#ifndef CORRAL_ABI_H
#define CORRAL_ABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CORRAL_ABI_MAJOR 1u
#define CORRAL_ABI_MINOR 0u
#define CORRAL_MAGIC UINT64_C(0x314c4152524f4331)

/* Structs have no padding (compiled with -Werror=padded), so sizeof is the end of the last member. */
#define CORRAL_SIZE(type) ((uint64_t)sizeof(type))
#define CORRAL_HAS(pointer, member) \
  ((pointer)->struct_size >= (uint64_t)((const char *)(&(pointer)->member + 1) - (const char *)(pointer)) && (pointer)->member != 0)

typedef int32_t corral_status;
#define CORRAL_OK 0
#define CORRAL_INVALID 1     /* the user's input is wrong; the message names it and says how to correct it */
#define CORRAL_UNSUPPORTED 2 /* not offered here: a normal answer to a caller that asks */
#define CORRAL_NO_SPACE 3    /* a buffer, the disk or memory is too small */
#define CORRAL_ENVIRONMENT 4 /* a file, library, device or network failed */
#define CORRAL_BUG 5         /* the plugin or the host broke the contract */
#define CORRAL_CHECK 6       /* a comparison or check that the user asked for failed */

#define CORRAL_LOG_INFO 0
#define CORRAL_LOG_WARNING 1
#define CORRAL_LOG_ERROR 2

/* Receives bytes. Lent for one call; owned by the receiver of the bytes. */
typedef struct corral_sink {
  uint64_t struct_size;
  void *context;
  /* Appends `size` bytes; `data` is the caller's and may be freed on return. [any]
     CORRAL_OK, or CORRAL_NO_SPACE with nothing appended. State: during the call that lent the sink. */
  corral_status (*write)(const struct corral_sink *sink, const void *data, uint64_t size);
} corral_sink;

/* Services of the host. Owned by the host, valid from init to the end of shutdown. */
typedef struct corral_host {
  uint64_t struct_size;
  uint32_t abi_major; /* the host's ABI; the smaller of the host's and the plugin's minor applies */
  uint32_t abi_minor;
  void *context;
  /* Sets the error sentence of the calling thread before a function fails; the text is copied. UTF-8, not terminated. [any] Returns CORRAL_OK.
     State: init to the end of shutdown. */
  corral_status (*set_error)(const struct corral_host *host, const char *text, uint64_t size);
  /* Writes one line to the host's log; the text is copied. `severity` is a CORRAL_LOG value. [any] Returns CORRAL_OK. State: init to the end of shutdown. */
  corral_status (*log)(const struct corral_host *host, int32_t severity, const char *text, uint64_t size);
  /* Returns a further service by its id, owned by the host and valid as long as this struct, or null if the host lacks it. [any] State: init to shutdown. */
  const void *(*get_service)(const struct corral_host *host, const char *id);
} corral_host;

/* The one exported symbol: `corral_plugin`, of this type. Strings are static. */
typedef struct corral_plugin_descriptor {
  uint64_t struct_size;
  uint64_t magic;     /* CORRAL_MAGIC */
  uint32_t abi_major; /* the ABI this plugin targets */
  uint32_t abi_minor;
  const char *kind; /* model, precision, optimizer, ... */
  const char *name; /* as flags write it */
  const char *version;
  const char *license;
  /* Initializes the plugin. Called once before anything else, and again only after shutdown. `host` is the host's and is valid until shutdown has returned.
     Lifetime: load to shutdown. [control] State: loaded. */
  corral_status (*init)(const corral_host *host);
  /* Returns the interface table of exactly this id, static and owned by the plugin, or null. [any] State: init to shutdown. */
  const void *(*get_interface)(const char *kind_id);
  /* Frees everything and joins all threads of the plugin. The host closes all instances first. [control] State: after init; the last call. */
  corral_status (*shutdown)(void);
} corral_plugin_descriptor;

/* Signature of the functions that take a message and reply with a message. `request` is the caller's for the call, `reply` is lent for the call. */
typedef corral_status (*corral_call)(const void *request, uint64_t request_size, const corral_sink *reply);

/* Conventions for the names and files of models and adapters. */
#define CORRAL_DIALECTS {"hf", "megatron"}

#define CORRAL_MODEL_ID "corral.model/1"
/* A family of models. */
typedef struct corral_model {
  uint64_t struct_size;
  /* Emits the forward pass: ModelRequest -> Graph with inputs tokens, targets, positions, first_key, last_key, token_index, seed and the output `losses`. Lifetime:
     call. [any] State: init to shutdown. */
  corral_call emit;
  /* Recognizes a model's configuration: DialectConfig -> Recognition. CORRAL_INVALID if it is of this family but needs an unsupported feature. Lifetime: call.
     [any] State: init to shutdown. */
  corral_call recognize;
  /* Writes the configuration file of a dialect: ConfigRequest -> raw bytes. Lifetime: call. [any] State: init to shutdown. */
  corral_call write_config;
  /* Maps parameters to the tensors of a dialect: WeightMapRequest -> WeightMap. Lifetime: call. [any] State: init to shutdown. */
  corral_call weight_map;
  /* Explains the use of each key of a configuration, also of one that recognize refuses: DialectConfig -> ConfigReport. May be null. Lifetime: call. [any] State:
     init to shutdown. */
  corral_call explain_config;
} corral_model;

#define CORRAL_PEFT_ID "corral.peft/1"
/* A method that trains few weights (an adapter): freezes a model's parameters, adds its own and merges them into the model's. Dialects as for models. */
typedef struct corral_peft {
  uint64_t struct_size;
  /* Adds the method to the model's forward graph: PassRequest -> Graph. Clears State.trained of frozen parameters; added parameters are PARAMETER states.
     Unknown fields, nodes and attributes stay untouched. Lifetime: call. [any] State: init to shutdown. */
  corral_call transform;
  /* Computes initial values that depend on the model's weights: PassRequest -> Graph over the same states, without nodes if there are none. It runs once,
     before a new run's first step, after the model's weights were read and the added parameters got their State.init. Lifetime: call. [any] State: init to shutdown. */
  corral_call initialize;
  /* Merges the added parameters into the model's: PeftRequest -> Graph over the states of the model and of transform, none trained. Each output is a merged
     parameter and has the parameter's name. Lifetime: call. [any] State: init to shutdown. */
  corral_call merge;
  /* Maps all trained parameters, added ones and the model's own, to the tensors of a dialect: PeftRequest -> WeightMap. Lifetime: call. [any] State: init to shutdown. */
  corral_call weight_map;
  /* Recognizes an adapter's configuration: DialectConfig -> Recognition. CORRAL_INVALID if it is of this method but needs an unsupported feature. Lifetime: call.
     [any] State: init to shutdown. */
  corral_call recognize;
  /* Writes the adapter's configuration file of a dialect: PeftRequest -> raw bytes. Lifetime: call. [any] State: init to shutdown. */
  corral_call write_config;
} corral_peft;

#define CORRAL_PRECISION_ID "corral.precision/1"
/* A precision: sets the formats of the differentiated graph and adds casts and quantizations. */
typedef struct corral_precision {
  uint64_t struct_size;
  /* Applies the precision: PassRequest -> Graph. Unknown fields, nodes and attributes stay untouched. Lifetime: call. [any] State: init to shutdown. */
  corral_call transform;
} corral_precision;

#define CORRAL_PARALLEL_ID "corral.parallel/1"
/* A way to spread a step over ranks: states cuts before the kernel's partition and rewrites nodes after it. Each function may return CORRAL_UNSUPPORTED if the plugin has
   nothing to do in that phase. */
typedef struct corral_parallel {
  uint64_t struct_size;
  /* States the cuts, the chunk of each scope and the schedule: ParallelRequest (the whole step's graph) -> Placement. A pure function of the request. Lifetime: call.
     [any] State: init to shutdown. */
  corral_call place;
  /* Rewrites one rank's graph: ParallelRequest (that graph with its conversions) -> an equivalent Graph. Unknown fields, nodes and attributes stay untouched.
     Lifetime: call. [any] State: init to shutdown. */
  corral_call lower;
} corral_parallel;

#define CORRAL_OPTIMIZER_ID "corral.optimizer/1"
/* Adds the update phase: states, nodes and step inputs. `step_values` gives the values of these inputs. */
typedef struct corral_optimizer {
  uint64_t struct_size;
  /* Adds the update phase: PassRequest -> Graph. Lifetime: call. [any] State: init to shutdown. */
  corral_call transform;
  /* Gives the value of each input that transform added: StepRequest -> StepValues. A pure function of the request. Lifetime: call. [any] State: init to shutdown. */
  corral_call step_values;
  /* Checks the options together: StepRequest (its step is unused) -> nothing. CORRAL_INVALID with a sentence if they contradict each other. Lifetime: call. [any]
     State: init to shutdown. */
  corral_call check;
} corral_optimizer;

#define CORRAL_CHECKPOINT_ID "corral.checkpoint/1"
typedef struct corral_reader corral_reader;
typedef struct corral_writer corral_writer;
/* A checkpoint format: stores files and the bytes of named tensors, independent of any model. Paths are UTF-8. A checkpoint is written in one or more parts, each with a writer
   of its own in any process of the run, and then committed once. Until then `open` refuses it. */
typedef struct corral_checkpoint {
  uint64_t struct_size;
  /* Tells whether a folder or file appears to be of this format -> Probe. `path` is terminated. Reads little. Lifetime: call. [any] State: init to shutdown. */
  corral_status (*probe)(const char *path, const corral_sink *reply);
  /* Opens a checkpoint for reading and checks all that needs no tensor data; the request is a CheckpointOpenRequest. The caller owns *reader until close.
     [control] State: init to shutdown. */
  corral_status (*open)(const void *request, uint64_t request_size, corral_reader **reader);
  /* Lists the tensors -> TensorList. `read` numbers them in this order. Lifetime: call. [any] State: open to close. */
  corral_status (*list)(corral_reader *reader, const corral_sink *reply);
  /* -> CheckpointInfo: the configuration, its dialect and the additional files. Lifetime: call. [any] State: open to close. */
  corral_status (*info)(corral_reader *reader, const corral_sink *reply);
  /* Reads `size` bytes at byte `offset` of tensor number `tensor` into `to`, the caller's memory. [any] State: open to close. */
  corral_status (*read)(corral_reader *reader, uint64_t tensor, uint64_t offset, void *to, uint64_t size);
  /* Frees the reader. [control] State: open; ends it. */
  corral_status (*close)(corral_reader *reader);
  /* Begins a part of a checkpoint in an existing folder; the request is a CheckpointWriteRequest that differs between parts in `part` only. Parts begin in any order without
     waiting for each other. CORRAL_UNSUPPORTED, with nothing written, if the format does not support parts. The caller owns *writer until finish or discard. [control] State: init to shutdown. */
  corral_status (*create)(const void *request, uint64_t request_size, corral_writer **writer);
  /* Writes `size` bytes at byte `offset` of tensor number `tensor` of the request; `data` is the caller's for the call. Each byte of a tensor is written once,
     by any part. [any] State: create to finish. */
  corral_status (*write)(corral_writer *writer, uint64_t tensor, uint64_t offset, const void *data, uint64_t size);
  /* Completes this part and closes its files. The writer is freed whatever the status. [control] State: create; ends it. */
  corral_status (*finish)(corral_writer *writer);
  /* Frees the writer without completing the part. Files may remain; the caller removes them. [control] State: create; ends it. */
  corral_status (*discard)(corral_writer *writer);
  /* Makes the finished parts one checkpoint: writes headers and an index. Called once, after every part has finished, with any part's request. The caller syncs and renames.
     Lifetime: call. [control] State: init to shutdown. */
  corral_status (*commit)(const void *request, uint64_t request_size);
} corral_checkpoint;

#define CORRAL_TOKENIZER_ID "corral.tokenizer/1"
typedef struct corral_tokenizer_instance corral_tokenizer_instance;
#define CORRAL_ADD_SPECIAL 1u  /* encode: apply the post-processor (begin token); decode: unused */
#define CORRAL_SKIP_SPECIAL 2u /* decode: leave special tokens out */
#define CORRAL_PLAIN_TEXT 4u   /* encode: text that spells a special token is ordinary text */

/* A sequential reader of documents. Lent for one call; owned by the host. */
typedef struct corral_text_source {
  uint64_t struct_size;
  void *context;
  /* Sets *text and *size to the next document, valid until the next call; *text is null after the last. [control] State: during the call that lent it. */
  corral_status (*next)(const struct corral_text_source *source, const char **text, uint64_t *size);
} corral_text_source;

typedef struct corral_tokenizer {
  uint64_t struct_size;
  /* Tells whether a folder or file appears to be this tokenizer's -> Probe. Lifetime: call. [any] State: init to shutdown. */
  corral_status (*probe)(const char *path, const corral_sink *reply);
  /* Loads a folder or file; `options` are the encoded Options. The caller owns *instance until close. [control] State: init to shutdown. */
  corral_status (*open)(const char *path, const void *options, uint64_t options_size, corral_tokenizer_instance **instance);
  /* -> TokenizerInfo. Lifetime: call. [any] State: open to close. */
  corral_status (*info)(corral_tokenizer_instance *instance, const corral_sink *reply);
  /* Returns the tokenizer's files byte for byte, for an export -> FileList. Lifetime: call. [any] State: open to close. */
  corral_status (*files)(corral_tokenizer_instance *instance, const corral_sink *reply);
  /* Encodes UTF-8 text into `ids`, the caller's array, and sets *count to the number of ids. A capacity of `size` + 16 always suffices; CORRAL_NO_SPACE if it is
     too small. [any] State: open to close. */
  corral_status (*encode)(corral_tokenizer_instance *instance, const char *text, uint64_t size, uint64_t flags, int32_t *ids, uint64_t capacity, uint64_t *count);
  /* Decodes ids to UTF-8 text; bytes that are not UTF-8 become U+FFFD. Lifetime: call. [any] CORRAL_INVALID for an id that does not exist. State: open to close. */
  corral_status (*decode)(corral_tokenizer_instance *instance, const int32_t *ids, uint64_t count, uint64_t flags, const corral_sink *reply);
  /* Returns the raw bytes of one id, which may be part of a character, for streaming. Lifetime: call. [any] State: open to close. */
  corral_status (*bytes_of)(corral_tokenizer_instance *instance, int32_t id, uint64_t flags, const corral_sink *reply);
  /* Frees the instance. [control] State: open; ends it. */
  corral_status (*close)(corral_tokenizer_instance *instance);
  /* Trains on all documents of the source: TokenizerTrainRequest -> FileList without contents. The files are written to the request's folder. Lifetime: call.
     [control] State: init to shutdown. */
  corral_status (*train)(const void *request, uint64_t request_size, const corral_text_source *source, const corral_sink *reply);
} corral_tokenizer;

#define CORRAL_DATASET_ID "corral.dataset/1"
typedef struct corral_dataset_instance corral_dataset_instance;

/* The host's tokenizer, for datasets. Owned by the host, valid until the dataset is closed. */
typedef struct corral_encoder {
  uint64_t struct_size;
  void *context;
  /* Like corral_tokenizer.encode. Lifetime: call. [any] State: open to close of the dataset. */
  corral_status (*encode)(const struct corral_encoder *encoder, const char *text, uint64_t size, uint64_t flags, int32_t *ids, uint64_t capacity, uint64_t *count);
} corral_encoder;

/* The arrays of a batch, the caller's, each [rows, seq_length], row-major. A row is one sequence. */
typedef struct corral_batch {
  uint64_t struct_size;
  int32_t *tokens;
  int32_t *targets;   /* the token that follows tokens[i]; -1: none */
  int32_t *positions; /* token position within its text, for RoPE */
  int32_t *first_key; /* first token position of the sequence that this token attends to */
  float *weights;     /* weight of each target in the loss, 0 or more; preset to 1, ignored where there is no target */
} corral_batch;

typedef struct corral_dataset {
  uint64_t struct_size;
  /* Opens and checks the data; the request is a DatasetRequest; `encoder` is null without a tokenizer. The caller owns *instance until close. [control] State: init to shutdown. */
  corral_status (*open)(const void *request, uint64_t request_size, const corral_encoder *encoder, corral_dataset_instance **instance);
  /* -> DatasetInfo. Lifetime: call. [any] State: open to close. */
  corral_status (*info)(corral_dataset_instance *instance, const corral_sink *reply);
  /* Fills `rows` sequences, from number first_row, of part `part` in its endless shuffled order. A pure function of its arguments, so it has no state to save.
     Lifetime: call. [any] State: open to close. */
  corral_status (*fetch)(corral_dataset_instance *instance, uint64_t part, uint64_t first_row, uint64_t rows, const corral_batch *batch);
  /* Frees the instance. [control] State: open; ends it. */
  corral_status (*close)(corral_dataset_instance *instance);
  /* Reports which tokens the samples train, and shows some samples whole: SampleQuery -> SampleReport. Lifetime: call. [any] State: open to close. */
  corral_status (*inspect)(corral_dataset_instance *instance, const void *request, uint64_t request_size, const corral_sink *reply);
  /* Encodes a chat as this dataset's sequences contain it: ChatRequest -> ChatReply. `encoder` is lent for the call. [any] State: init to shutdown. */
  corral_status (*render)(const void *request, uint64_t request_size, const corral_encoder *encoder, const corral_sink *reply);
  /* Converts documents to files in this dataset's own form: DatasetBuildRequest -> DatasetBuildReply. `encoder` is lent for the call, null without a tokenizer. A
     failed call leaves no files. [control] State: init to shutdown. */
  corral_status (*build)(const void *request, uint64_t request_size, const corral_encoder *encoder, const corral_sink *reply);
} corral_dataset;

#define CORRAL_TRACKER_ID "corral.tracker/1"
typedef struct corral_tracker_instance corral_tracker_instance;
/* Receives a run's metrics. */
typedef struct corral_tracker {
  uint64_t struct_size;
  /* Opens a tracker; the request is a TrackerOpen. The caller owns *instance until close. [control] State: init to shutdown. */
  corral_status (*open)(const void *request, uint64_t request_size, corral_tracker_instance **instance);
  /* Records one Metrics message. Lifetime: call. [control] State: open to close. */
  corral_status (*log)(corral_tracker_instance *instance, const void *metrics, uint64_t metrics_size);
  /* Flushes and frees the instance. [control] State: open; ends it. */
  corral_status (*close)(corral_tracker_instance *instance);
} corral_tracker;

#define CORRAL_DEVICE_ID "corral.device/1"
typedef struct corral_device_instance corral_device_instance;
typedef struct corral_kernel corral_kernel;
typedef struct corral_stream corral_stream;
typedef struct corral_event corral_event;
typedef struct corral_recording corral_recording;

/* Type and extent of an operand. `shape` and `strides` (in elements; null: contiguous, last axis fastest) have `rank` members and are the caller's for the call. */
typedef struct corral_layout {
  uint64_t struct_size;
  uint32_t dtype; /* DType of graph.proto */
  uint32_t rank;
  const int64_t *shape;
  const int64_t *strides;
} corral_layout;

/* One attribute of a node: an array of `count` members or a text; the other pointers are null. The caller's for the call. */
typedef struct corral_attribute {
  uint64_t struct_size;
  const char *name;
  const int64_t *integers;
  const double *numbers;
  const char *text;
  uint64_t count;
} corral_attribute;

/* A node, for a device. An absent operand is a null layout. The caller's for the call. */
typedef struct corral_node {
  uint64_t struct_size;
  const char *op;
  uint32_t num_inputs;
  uint32_t num_outputs;
  uint32_t num_attributes;
  uint32_t accumulate; /* bit i: output i is added to the tensor's present values */
  const corral_layout *const *inputs;
  const corral_layout *const *outputs;
  const corral_attribute *const *attributes;
} corral_node;

#define CORRAL_MEMORY_DEVICE 0u
#define CORRAL_MEMORY_HOST 1u /* host memory for copies at full speed (pinned) */

/* Runs nodes. The work of a stream runs in order; a device may also run it before the call returns (DeviceInfo.synchronous). */
typedef struct corral_device {
  uint64_t struct_size;
  /* Opens a device; the request is a DeviceOpen. The caller owns *device until close. [control] State: init to shutdown. */
  corral_status (*open)(const void *request, uint64_t request_size, corral_device_instance **device);
  /* -> DeviceInfo. Lifetime: call. [any] State: open to close. */
  corral_status (*info)(corral_device_instance *device, const corral_sink *reply);
  /* Frees the device. The host frees its kernels, memory, streams, events and recordings first. [control] State: open; ends it. */
  corral_status (*close)(corral_device_instance *device);
  /* CORRAL_OK if `prepare` accepts this node, else CORRAL_UNSUPPORTED with the reason. Lifetime: call. [any] State: open to close. */
  corral_status (*supports)(corral_device_instance *device, const corral_node *node);
  /* Prepares a node once for these layouts. The caller owns *kernel until release; it contains no address. *workspace is the number of bytes that a launch needs.
     [control] State: open to close. */
  corral_status (*prepare)(corral_device_instance *device, const corral_node *node, corral_kernel **kernel, uint64_t *workspace);
  /* Launches a prepared node on the stream; allocates nothing. Addresses are in the order of the node's operands, aligned to 64 bytes, null if absent.
     Lifetime: the arrays until it returns, the memory until the stream has passed it. [stream] State: prepare to release. */
  corral_status (*launch)(corral_kernel *kernel, void *const *inputs, void *const *outputs, void *workspace, corral_stream *stream);
  /* Frees a prepared node. [control] State: prepare; ends it. */
  corral_status (*release)(corral_kernel *kernel);
  /* Allocates `size` bytes of a CORRAL_MEMORY kind, aligned to 64. The caller owns *memory until free. [control] State: open to close. */
  corral_status (*allocate)(corral_device_instance *device, uint64_t size, uint32_t memory_kind, uint32_t flags, void **memory);
  /* Frees memory from allocate. [control] State: open to close. */
  corral_status (*free)(corral_device_instance *device, void *memory);
  /* Copies between device or host addresses, on the stream. Lifetime: the memory until the stream has passed it. [stream] State: open to close. */
  corral_status (*copy)(corral_device_instance *device, void *to, const void *from, uint64_t size, corral_stream *stream);
  /* Sets `size` bytes to zero, on the stream. Lifetime: the memory until the stream has passed it. [stream] State: open to close. */
  corral_status (*zero)(corral_device_instance *device, void *to, uint64_t size, corral_stream *stream);
  /* Opens a new stream. The caller owns *stream until stream_close. [control] State: open to close. */
  corral_status (*stream_open)(corral_device_instance *device, corral_stream **stream);
  /* Waits on the host until all work of the stream is done. Lifetime: call. [stream] State: stream_open to stream_close. */
  corral_status (*stream_wait)(corral_stream *stream);
  /* Frees an idle stream. [control] State: stream_open; ends it. */
  corral_status (*stream_close)(corral_stream *stream);
  /* Opens a new event. The caller owns *event until event_close. [control] State: open to close. */
  corral_status (*event_open)(corral_device_instance *device, corral_event **event);
  /* Records the event at the present end of the stream's work. Lifetime: both until the stream has passed the event. [stream] State: event_open to event_close. */
  corral_status (*event_record)(corral_event *event, corral_stream *stream);
  /* Makes the stream's later work wait until the event's latest record has passed. Lifetime: the event until this stream has passed it. [stream] State:
     event_record to event_close. */
  corral_status (*event_await)(corral_event *event, corral_stream *stream);
  /* Sets *done to 1 if the event's latest record has passed, else 0. Lifetime: call. [any] State: event_record to event_close. */
  corral_status (*event_query)(corral_event *event, uint32_t *done);
  /* Frees an event. [control] State: event_open; ends it. */
  corral_status (*event_close)(corral_event *event);
  /* Returns the handle of the stream in the device's own libraries (cudaStream_t), owned by the device, or CORRAL_UNSUPPORTED. [any] State: stream_open to stream_close. */
  corral_status (*native_stream)(corral_stream *stream, void **native);
  /* Waits on the host until the event's latest record has passed. May be null: the host polls event_query. Lifetime: call. [any] State: event_record to event_close. */
  corral_status (*event_wait)(corral_event *event);
  /* Begins a recording: until record_end, launches, copies and zeros on the stream are recorded instead of run. During that time nothing waits for the stream, and no event
     is recorded on it or awaited by it. CORRAL_UNSUPPORTED with nothing begun; this pointer and the next three may also be null. Lifetime: call. [stream] State: stream_open to stream_close. */
  corral_status (*record_begin)(corral_stream *stream);
  /* Ends the recording that record_begin began. The caller owns *recording until recording_close. [stream] State: record_begin; ends it. */
  corral_status (*record_end)(corral_stream *stream, corral_recording **recording);
  /* Runs the recorded work on the stream, in the recorded order and with the recorded addresses; may be called again; allocates nothing.
     Lifetime: kernels and memory of the recording until the stream has passed it. [stream] State: record_end to recording_close. */
  corral_status (*replay)(corral_recording *recording, corral_stream *stream);
  /* Frees a recording after every stream has passed it. [control] State: record_end; ends it. */
  corral_status (*recording_close)(corral_recording *recording);
  /* Sets *seconds to the device's time from the latest record of `from` to the latest record of `to`. Both have passed. CORRAL_UNSUPPORTED without such a clock. Lifetime: call.
     [any] State: event_record to event_close. */
  corral_status (*event_seconds)(corral_event *from, corral_event *to, double *seconds);
  /* Names the library and algorithm of a prepared node and the work of a launch -> KernelInfo. CORRAL_UNSUPPORTED if the device does not know. Lifetime: call.
     [any] State: prepare to release. */
  corral_status (*kernel_info)(corral_kernel *kernel, const corral_sink *reply);
  /* Returns the algorithms chosen by measurement so far, as bytes in the device's own form; none if it measures nothing. A device that is opened with them (DeviceOpen.choices)
     chooses the same algorithms, so that a resumed run computes the same bits. Lifetime: call. [any] State: open to close. */
  corral_status (*choices)(corral_device_instance *device, const corral_sink *reply);
} corral_device;

#define CORRAL_COLLECTIVE_ID "corral.collective/1"
typedef struct corral_collective_instance corral_collective_instance;
typedef struct corral_communicator corral_communicator;
typedef struct corral_pending corral_pending;

/* Kinds of exchange among the n ranks of a communicator. `count` is in elements. */
#define CORRAL_ALL_REDUCE 0u     /* from [count] -> to [count]: the reduction over the ranks; `from` and `to` may be the same */
#define CORRAL_ALL_GATHER 1u     /* from [count] -> to [n count], in the order of the ranks */
#define CORRAL_REDUCE_SCATTER 2u /* from [n count] -> to [count]: the reduction of this rank's part */
#define CORRAL_ALL_TO_ALL 3u     /* from [n count] -> to [n count]: sends part i to rank i; part i of `to` is from rank i */
#define CORRAL_SEND 4u           /* from [count] to `peer` */
#define CORRAL_RECEIVE 5u        /* to [count] from `peer` */

#define CORRAL_REDUCE_SUM 0u
#define CORRAL_REDUCE_MAX 1u
#define CORRAL_REDUCE_MIN 2u

/* One exchange of a communicator. All its ranks give the same kind, dtype, reduction and count, and give their exchanges in the same order. The caller's for the call. */
typedef struct corral_exchange {
  uint64_t struct_size;
  uint32_t kind;
  uint32_t dtype; /* DType of graph.proto */
  uint32_t reduction;
  uint32_t peer; /* send and receive: the other rank, as numbered in the communicator */
  uint64_t count;
  const void *from;
  void *to;
} corral_exchange;

/* Exchanges tensors between ranks. CollectiveInfo.on_host says which of enqueue and start is offered; the other returns CORRAL_UNSUPPORTED. */
typedef struct corral_collective {
  uint64_t struct_size;
  /* Joins the run without waiting for other ranks; the request is a CollectiveOpen. The caller owns *collective until close. [control] State: init to shutdown. */
  corral_status (*open)(const void *request, uint64_t request_size, corral_collective_instance **collective);
  /* -> CollectiveInfo. Lifetime: call. [any] State: open to close. */
  corral_status (*info)(corral_collective_instance *collective, const corral_sink *reply);
  /* Leaves the run and frees the instance. The host closes all communicators first. [control] State: open; ends it. */
  corral_status (*close)(corral_collective_instance *collective);
  /* Opens a communicator of `count` ranks of the run, listed ascending; a rank's index in the list is its rank in the communicator. Each of them calls it with the same list and
     waits for the others. The caller owns *communicator until communicator_close. [any] State: open to close. */
  corral_status (*communicator_open)(corral_collective_instance *collective, const uint32_t *ranks, uint64_t count, corral_communicator **communicator);
  /* Frees an idle communicator without waiting for other ranks. [control] State: communicator_open; ends it. */
  corral_status (*communicator_close)(corral_communicator *communicator);
  /* Exchanges device memory on a stream, given by its handle from corral_device.native_stream. Lifetime: the memory until the stream has passed it.
     [stream] State: communicator_open to communicator_close. */
  corral_status (*enqueue)(corral_communicator *communicator, const corral_exchange *exchange, void *native_stream);
  /* Begins an exchange of host memory without waiting for other ranks. Lifetime: the memory until finish has returned; the caller owns *pending until finish. One thread at a
     time for each communicator. [stream] State: communicator_open to communicator_close. */
  corral_status (*start)(corral_communicator *communicator, const corral_exchange *exchange, corral_pending **pending);
  /* Waits until the exchange is done on this rank. *pending is freed whatever the status. [any] State: start; ends it. */
  corral_status (*finish)(corral_pending *pending);
} corral_collective;

#ifdef __cplusplus
}
#endif
#endif
